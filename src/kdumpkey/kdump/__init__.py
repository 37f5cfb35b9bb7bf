"""The hand-over of dm-crypt keys from one kernel to the next: what a kernel offers, simulated or Linux's own.

Nothing here knows LUKS: a key is a description and bytes, whatever mapping it is for.
"""
