"""What stands in the way of a run, from its log, and what to do about it.

>>> import numpy as np
>>> from analysis.logs.log import Log
>>> log = Log(name="0", steps=np.array([0, 500]), curves={}, settings={"p": 29, "fraction": 0.3})
>>> print(judge(log).of("finding")[0].text)
The training set has .30 of all samples, below the .32 of the ln M law.
"""

from analysis.verdict.rules import judge as judge
from analysis.verdict.seeds import seeds_needed as seeds_needed
from analysis.verdict.sentences import Sentence as Sentence
from analysis.verdict.sentences import Verdict as Verdict

__all__ = ["judge", "Verdict", "Sentence", "seeds_needed"]
