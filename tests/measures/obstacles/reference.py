"""The counting of meetings once more, in plain Python over lists of events: what the kernel is held against."""

from __future__ import annotations

from collections import defaultdict

GAP = 1800


def visits(events):
    """Lists of (time, name, hit, value), a new one after half an hour."""
    made = []
    for event in events:
        if not made or event[0] - made[-1][-1][0] >= GAP:
            made.append([])
        made[-1].append(event)
    return made


def meetings(people, stage, goal, goal_stage, own, window, as_of, steady=False):
    """Counts by (touchpoint, ordinal, visits, bought, exposed): [meetings, went on, mature, goals].

    ``people``: lists of (time, name, hit, value), hit 0 other, 1 suspect, 2 unknown; ``stage``: touchpoint -> stage.
    ``own``: a touchpoint, "event" or "everywhere".
    """
    counts = defaultdict(lambda: [0, 0, 0, 0])
    for events in people:
        events = [e for e in events if e[0] <= as_of]
        since_goal, bought, asked = 0, False, {}
        goals = [k for k, e in enumerate(events) if e[1] == goal]
        at = 0
        for visit in visits(events):
            places = list(range(at, at + len(visit)))
            at += len(visit)
            on_way = [e[1] in stage and e[1] != goal and stage[e[1]] <= goal_stage for e in visit]
            hit = anchor = None
            if own == "event":
                hit = next((j for j, e in enumerate(visit) if e[2] == 1), None)
                if hit is not None:
                    if on_way[hit] or (visit[hit][1] in stage and visit[hit][1] != goal):
                        anchor = hit
                    else:
                        anchor = max((j for j in range(hit) if on_way[j]), default=None)
            ordinal, before = {}, None
            for j, (time, name, word, _) in enumerate(visit):
                if not on_way[j]:
                    continue
                if name not in ordinal:
                    ordinal[name] = 0
                elif before is None or before[1] != name or time - before[0] > 1:
                    ordinal[name] += 1
                elif j != anchor:
                    before = (time, name)
                    continue
                before = (time, name)
                since = j
                if own == "event":
                    if hit is not None and j != anchor:
                        continue
                    exposed = hit is not None
                    since = hit if exposed else j
                else:
                    if ordinal[name] > 0 or word == 2 or (own not in ("everywhere", name)):
                        continue
                    exposed = word == 1
                went = any(
                    e[1] == goal or (e[1] in stage and stage[name] < stage[e[1]] <= goal_stage)
                    for e in visit[since + 1 :]
                )
                group = name if own == "everywhere" else ""
                mature = time + window <= as_of
                if exposed or steady:
                    if group in asked and time - asked[group] <= window:
                        mature = False
                    else:
                        asked[group] = time
                after = next((g for g in goals if g > places[since]), None)
                reached = after is not None and events[after][0] - time <= window
                cell = counts[name, min(ordinal[name], 5), min(since_goal, 3), bought, exposed]
                cell[0] += 1
                cell[1] += went
                cell[2] += mature
                cell[3] += mature and reached
            if any(e[1] == goal for e in visit):
                since_goal, bought, asked = 0, True, {}
            else:
                since_goal += 1
    return dict(counts)
