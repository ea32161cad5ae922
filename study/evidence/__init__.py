"""The tables behind the study's claims, one file a question; ``python -m study.evidence --help`` lists them."""
