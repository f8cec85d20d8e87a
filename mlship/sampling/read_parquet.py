# /// script
# requires-python = ">=3.10"
# dependencies = ["pyarrow>=15"]
# ///
"""Writes the first rows of a Parquet file as JSON lines. Run by ``parquet.py`` in its own process.

Usage: read_parquet.py SAMPLE OUT ROWS CHARACTERS

The first line is {"names": [...], "declared": {name: categories}}, then a list for each row.
Categories are those of text: pyarrow reads back other dictionary columns as plain ones.
"""

import json
import sys


def main(sample: str, out: str, most_rows: int, most_characters: int) -> None:
    """Convert as many rows as asked for. Dates and times become ISO texts, decimals numbers."""
    import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-not-found,import-untyped,unused-ignore]

    file = pq.ParquetFile(sample, memory_map=True)
    pandas = json.loads((file.schema_arrow.metadata or {}).get(b"pandas", b"{}"))
    index = [name for name in pandas.get("index_columns", []) if isinstance(name, str)]
    names = [name for name in file.schema_arrow.names if name not in index]
    batches = file.iter_batches(batch_size=1000, columns=names, use_threads=False)
    with open(out, "w", encoding="utf-8") as lines:  # noqa: PTH123
        rows = written = 0
        for batch in batches:
            if not rows:
                declared = {
                    name: batch.column(name).dictionary.to_pylist()
                    for name in names
                    if pa.types.is_dictionary(batch.schema.field(name).type)
                }
                head = {"names": names, "declared": declared}
                lines.write(json.dumps(head, default=plain) + "\n")
            for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                written += lines.write(json.dumps(row, default=plain) + "\n")
                rows += 1
                if rows == most_rows or written > most_characters:
                    return


def plain(value: object) -> object:
    """Return what JSON has for a value of another type."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value) if type(value).__name__ == "Decimal" else str(value)  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    except ImportError:
        raise
    except Exception as error:
        print(" ".join(str(error).split())[:300], file=sys.stderr)
        sys.exit(65)  # EX_DATAERR: the file is wrong, not the installation
