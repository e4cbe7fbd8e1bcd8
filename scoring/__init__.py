"""Logs in, scores out. Needs neither jax nor the workloads.

>>> result = scoring.score('experiments', 'mini')
>>> result.scores
"""

from scoring.competition import Result, score

__all__ = ['Result', 'score']
