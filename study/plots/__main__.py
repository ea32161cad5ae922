from study.plots.redraw import redraw
from study.plots.style import folder

done = redraw()
print(done.to_string(index=False))
print(f"{(done['became'] == 'drawn').sum()} of {len(done)} figures drawn from figures/*.csv into {folder()}/")
