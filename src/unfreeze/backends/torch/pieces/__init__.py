"""The parts by themselves, for a person's own model and training loop.

stages.py     the stages of any model, in forward order
freezing.py   everything before a boundary without gradients and in inference mode
head.py       another head
gradual.py    gradual unfreezing; `lightning.py` as a callback of Lightning's
weights.py    class weights
checking.py   whether anything frozen moved
order.py      in what order a model calls its modules, which the others go by
"""
