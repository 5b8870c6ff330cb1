"""Calls a SOAP service as zeep does, a strict client that has nothing to do with this product: soap_client.py WSDL CALLS.

CALLS is a JSON list of [operation, arguments]. `$session` among the arguments is the result of the last login, and
{"$any": text} a text where the schema takes anything. Prints a list of {"result": …} or {"fault": code, "message": text}.
"""

import json
import sys

import zeep
from zeep import xsd
from zeep.exceptions import Fault
from zeep.helpers import serialize_object

service = zeep.Client(sys.argv[1]).service
session = None


def resolve(value):
    if value == "$session":
        return session
    if isinstance(value, list):
        return [resolve(item) for item in value]
    if isinstance(value, dict):
        if "$any" in value:
            return xsd.AnyObject(xsd.String(), value["$any"])
        return {name: resolve(item) for name, item in value.items()}
    return value


def outcome_of(operation, arguments):
    global session
    try:
        result = serialize_object(service[operation](**resolve(arguments)), dict)
    except Fault as fault:
        return {"fault": fault.code, "message": fault.message}
    if operation == "login":
        session = result
    return {"result": result}


json.dump([outcome_of(*call) for call in json.loads(sys.argv[2])], sys.stdout)
