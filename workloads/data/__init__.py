"""Data sources and pipelines that families share.

`pinned` gets files with a known SHA-256, `store` keeps data sets on disk,
`hosted` downloads what TFDS knows, `formats` converts TFRecord files
(`tfrecord`, `crc32c`); `batches` turns arrays in memory into streams of
batches, `stream` (by means of `ahead`) the `splits` of data sets on disk;
`rows` says which rows are a host's; `images` decodes and resizes, `packing` and
`tokenizer` are for text, `placement` feeds devices.
"""
