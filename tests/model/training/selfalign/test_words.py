"""Words that occur often enough are known."""

from model.training.selfalign.words import learn_words


def test_words_are_known_from_so_many_times_on_the_commonest_first():
    words = learn_words(["A dog and a dog .", "a dog , a cat .", "A <unk> bird ."], least=2)
    assert words.words == ("<pad>", "<start>", "<end>", "<unk>", "a", ".", "dog")
    assert words("a bird .") == [1, 4, 3, 5, 2]
