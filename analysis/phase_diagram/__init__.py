"""Which phase of learning does a network end in?"""
