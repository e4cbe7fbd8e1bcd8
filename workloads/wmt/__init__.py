"""Translation with an encoder–decoder Transformer: AlgoPerf's wmt family."""
