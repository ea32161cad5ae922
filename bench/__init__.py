"""The clocks, and what they set ours against. `mvae_lib` comes first: it says how threads wait, before torch is loaded."""

import mvae_lib as mvae_lib
