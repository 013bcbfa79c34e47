"""The parts by themselves, for a person's own model and `fit`.

stages.py     the stages of any model, in forward order
freezing.py   everything before a boundary without training and in inference mode
head.py       another head
gradual.py    gradual unfreezing, as a callback; `steps.py` has what an optimiser needs for it
weights.py    class weights
checking.py   whether anything frozen moved
order.py      in what order a model calls its layers, which the others go by
"""
