# ruff: noqa: PT009 - unittest, as an example of itself
import unittest

from words import listing, words


class Words(unittest.TestCase):
    def test_case_and_punctuation_do_not_count(self):
        self.assertEqual(words("Stop! The pots, the POTS."), {"stop", "the", "pots"})

    def test_an_apostrophe_inside_a_word_belongs_to_it(self):
        self.assertEqual(words("it's 'quoted'"), {"it's", "quoted"})

    def test_a_listing_is_sorted_and_names_each_word_once(self):
        self.assertEqual(listing(["b a", "c b"]), "a\nb\nc\n")


if __name__ == "__main__":
    unittest.main()
