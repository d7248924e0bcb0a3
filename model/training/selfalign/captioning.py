"""VSRN's captioning loss: what the relations between regions have found must suffice to write the sentence."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.selfalign.word_pieces import pad_ids

END = 2  # of a sentence, in VSRN's vocabulary


class Captioner(nn.Module):
    """A GRU reads the regions, another writes the words and looks back at what the first has read."""

    def __init__(
        self,
        *,
        width: int,
        vocabulary: int,
        hidden: int = 512,
        word_width: int = 300,
        longest: int = 60,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.longest = longest
        self.projection = nn.Linear(width, hidden)
        self.reader = nn.GRU(hidden, hidden, batch_first=True)
        self.words = nn.Embedding(vocabulary, word_width)
        self.attention = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
        self.writer = nn.GRU(hidden + word_width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocabulary)
        self.dropout = nn.Dropout(dropout)

    def forward(self, regions: Tensor, labels: Tensor) -> Tensor:
        """regions [B, R, D], labels [B, longest + 1] -> log probabilities of labels 1.. [B, longest - 1, words]."""
        read, state = self.reader(self.dropout(self.projection(regions)))  # [B, R, hidden], [1, B, hidden]
        words = self.words(labels)  # [B, longest + 1, word_width]
        written = []
        for step in range(self.longest - 1):
            asked = state[0][:, None].expand(-1, read.shape[1], -1)  # [B, R, hidden]
            weights = self.attention(torch.cat([read, asked], dim=2)).softmax(dim=1)  # [B, R, 1]
            seen = (weights * read).sum(dim=1)  # [B, hidden]
            _, state = self.writer(self.dropout(torch.cat([words[:, step], seen], dim=1))[:, None], state)
            written.append(self.out(state[0]))
        return torch.stack(written, dim=1).log_softmax(dim=2)


def captioning_loss(captioner: Captioner, regions: Tensor, labels: Tensor) -> Tensor:
    """The log likelihood of the words, summed over a sentence up to the first padding, the mean of the batch."""
    guessed = captioner(regions, labels)  # [B, longest - 1, words]
    steps = guessed.shape[1]
    lost = F.nll_loss(guessed.transpose(1, 2), labels[:, 1 : 1 + steps], reduction="none")  # [B, longest - 1]
    return (lost * label_mask(labels)[:, 1 : 1 + steps]).sum() / len(labels)


def label_mask(labels: Tensor) -> Tensor:
    """Real words and one place of padding behind them, [B, longest + 1] bool."""
    return F.pad(labels[:, :-1], (1, 0), value=END).ne(0)


def caption_labels(word_ids: Tensor, lengths: Tensor, *, longest: int) -> Tensor:
    """Sentences [B, T] of which `lengths` [B] are real, cut to `longest` words; [B, longest + 1] with zeros behind."""
    rows = [row[:length].tolist() for row, length in zip(word_ids, lengths.tolist(), strict=True)]
    cut = [row if len(row) <= longest else [*row[: longest - 1], END] for row in rows]
    return pad_ids(cut, width=longest + 1)[0].to(word_ids.device)
