"""BERT's uncased tokeniser: enough of it for English sentences (Wu et al. 2016, arXiv:1609.08144)."""
import pathlib
import unicodedata


class WordPiece:
    def __init__(self, vocabulary: pathlib.Path):
        self.ids = {word: i for i, word in enumerate(vocabulary.read_text(encoding="utf-8").splitlines())}

    @staticmethod
    def words(text: str):
        """Lower case without accents, cut at spaces and around punctuation and Chinese characters."""
        plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        word = ""
        for c in plain:
            code = ord(c)
            mark = (33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
                    or unicodedata.category(c).startswith("P") or 0x4E00 <= code <= 0x9FFF)
            if c.isspace() or mark:
                if word:
                    yield word
                word = ""
                if mark:
                    yield c
            else:
                word += c
        if word:
            yield word

    def pieces(self, word: str) -> list[int]:
        """The longest pieces of the vocabulary from the left; [UNK] where there is none."""
        found, at = [], 0
        while at < len(word):
            end = next((e for e in range(len(word), at, -1) if ("##" if at else "") + word[at:e] in self.ids), None)
            if end is None:
                return [self.ids["[UNK]"]]
            found.append(self.ids[("##" if at else "") + word[at:end]])
            at = end
        return found

    def encode(self, text: str) -> list[int]:
        return [self.ids["[CLS]"], *(p for w in self.words(text) for p in self.pieces(w)), self.ids["[SEP]"]]
