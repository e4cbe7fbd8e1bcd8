"""Decoder-only language models: finewebedu_lm, shakespeare_lm, variants."""
