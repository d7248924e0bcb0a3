"""What tests of training share."""

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from tests.photographs import write_photographs


@pytest.fixture
def captioned(tmp_path) -> Path:
    """A folder with photographs, and a caption of each."""
    paths = write_photographs(tmp_path / "pictures", range(16))
    lines = [{"image": path.name, "captions": [f"a dog number {path.stem} ."]} for path in paths]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


@pytest.fixture
def teacher(tiny_checkpoint, tmp_path) -> Path:
    """A BERT of 8 numbers a token, with the words of the tiny checkpoint."""
    folder = tmp_path / "teacher"
    torch.manual_seed(0)
    tokenizer = BertTokenizerFast.from_pretrained(tiny_checkpoint)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
