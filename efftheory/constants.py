"""Numbers that several modules share: the paper's thresholds, and the defaults of
torch's Adam.
"""

ACCURACY_THRESHOLD = 0.9  # a set of samples is learned from this accuracy on; paper, table 1 (which prints ">")
RQI_THRESHOLD = 0.95  # RQI above this is "high"; paper, section 3.1
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # Adam and AdamW
