"""Funnels: one kernel for the question that is asked most (:mod:`.plain`), one for every refinement of a funnel in
order (:mod:`.chains`), one for steps in any order (:mod:`.unordered`). All keep to the same rules of ties and windows.
"""
