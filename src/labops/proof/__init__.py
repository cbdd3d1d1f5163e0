"""Proof: every byte of what is tracked, hashed again where it lies, and what does not agree.

Looking changes nothing but the notes about objects that were found good; `mending` repairs what was found.
"""
