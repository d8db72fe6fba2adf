"""Renders with Jinja2 what `render.rs` renders, when told to: the peer of the benchmark.

Argument: a JSON file, a list of {"template": ..., "values": {...}}. Each line on stdin is a word and a count; each answer
is one line of JSON: the texts for `texts`, else the seconds that so many rounds over all of them took. `cold` makes an
environment for each rendering, `warm` has the templates compiled before.
"""

import json
import sys
import time

import jinja2


def environment():
    return jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = [(job["template"], job["values"]) for job in json.load(file)]
    print(json.dumps(jinja2.__version__), flush=True)
    shared = environment()
    compiled = [(shared.from_string(template), values) for template, values in jobs]
    for line in sys.stdin:
        word, count = line.split()
        if word == "texts":
            print(json.dumps([template.render(values) for template, values in compiled]), flush=True)
            continue
        start = time.perf_counter()
        for _ in range(int(count)):
            if word == "cold":
                for template, values in jobs:
                    environment().from_string(template).render(values)
            else:
                for template, values in compiled:
                    template.render(values)
        print(json.dumps(time.perf_counter() - start), flush=True)


main()
