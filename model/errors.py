"""What can go wrong in `model`.

ModelError
├── BadSentence         the sentence cannot be encoded
├── BadCheckpoint       a folder or file of weights is missing, damaged, or does not fit
├── BadFeatures         published region features or boxes are not of their form
├── BadRecipe           a training is described wrongly, or asks for what is not there
├── Diverged            a training has left all numbers: its best checkpoint so far is kept
├── NoRegions           this model finds no regions by itself: it takes features that were extracted elsewhere
└── NoExplanation       the kernel of this score says nothing about single regions
"""


class ModelError(Exception):
    """The root: its message says what is wrong, where, and what to do."""


class BadSentence(ModelError):
    pass


class BadCheckpoint(ModelError):
    pass


class BadFeatures(ModelError):
    pass


class BadRecipe(ModelError):
    pass


class Diverged(ModelError):
    pass


class NoRegions(ModelError):
    pass


class NoExplanation(ModelError):
    pass
