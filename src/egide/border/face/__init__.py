"""The face: found, judged good enough, compared with the one reference that its holder brought, forgotten.

Every comparison is 1:1. No function in here takes more than one reference, and none gives out a score, an age, a sex or a mood.
The model card is docs/face.md; why these models, docs/decisions/0070.
"""
