"""Statistics of agreement: functions of arrays, which know no experiment."""
