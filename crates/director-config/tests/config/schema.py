"""Validates files with Python's jsonschema.

    schema.py SCHEMA FAULTS FILE...

FAULTS is a list of files that are wrong, as tests/config/faults.json; each FILE is right. Exits with 1
and says which of them the schema judges differently.
"""

import json
import sys
import tomllib

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

schema, faults, *files = sys.argv[1:]
with open(schema, encoding="utf-8") as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
wrong = 0
for path in files:
    with open(path, "rb") as file:
        data = json.load(file) if path.endswith(".json") else tomllib.load(file)
    error = best_match(validator.iter_errors(data))
    if error:
        wrong += 1
        print(f"{path} is right, but: {error.json_path}: {error.message}")
with open(faults, encoding="utf-8") as file:
    faults = json.load(file)
for fault in faults:
    error = best_match(validator.iter_errors(fault["file"]))
    if bool(error) != fault["refused_by_schema"]:
        wrong += 1
        print(f"{fault['name']}: {error.message if error else 'not refused'}")
    elif error:
        print(f"  {fault['name']}: {error.json_path}: {error.message}")
sys.exit(1 if wrong else 0)
