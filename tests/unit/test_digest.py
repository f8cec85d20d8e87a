"""The sha256 of a model's file or folder."""

import hashlib

from mlship import digest


def test_a_large_file_is_read_once_while_it_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "_LARGE", 4)
    read = []
    monkeypatch.setattr(digest, "_of_file", lambda path: str(read.append(path) or len(read)))
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"abc")
    large.write_bytes(b"abcd")
    assert digest.sha256_of(small) != digest.sha256_of(small)
    assert digest.sha256_of(large) == digest.sha256_of(large)
    large.write_bytes(b"abcde")
    digest.sha256_of(large)
    assert read == [small, small, large, large]


def test_a_file_and_a_folder(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digest.sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    line = f"a\0{hashlib.sha256(b'abc').hexdigest()}\n".encode()
    assert digest.sha256_of(tmp_path) == hashlib.sha256(line).hexdigest()
