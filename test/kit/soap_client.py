"""Asks the sandbox's SOAP interface as zeep does, a client that has nothing to do with this product."""

import json
import sys

import zeep
from zeep.exceptions import Fault

client = zeep.Client(sys.argv[1])
service = client.service
session = service.login(username=sys.argv[2], apiKey=sys.argv[3])


def fault_of(call):
    try:
        call()
    except Fault as fault:
        return fault.code
    return None


items = service.catalogInventoryStockItemList(sessionId=session, productIds={"complexObjectArray": ["OABR-S", "1003", "NO"]})
updated = service.catalogInventoryStockItemUpdate(
    sessionId=session, productId="OABR-S", data={"qty": "5", "is_in_stock": 1, "backorders": 0}
)
names = service.catalogProductList(
    sessionId=session,
    filters={"complex_filter": {"complexObjectArray": [{"key": "sku", "value": {"key": "in", "value": "OABR-S,OABR-L"}}]}},
)
after = service.catalogInventoryStockItemList(sessionId=session, productIds={"complexObjectArray": ["OABR-S"]})
json.dump(
    {
        "items": [[item.product_id, item.sku, item.qty, item.is_in_stock] for item in items],
        "updated": updated,
        "after": [item.qty for item in after],
        "names": [[entry.sku, entry.name] for entry in names],
        "ended": service.endSession(sessionId=session),
        "faults": [
            fault_of(lambda: service.login(username="x", apiKey="y")),
            fault_of(lambda: service.catalogInventoryStockItemList(sessionId=session, productIds={})),
            fault_of(
                lambda: service.catalogInventoryStockItemUpdate(
                    sessionId=service.login(username=sys.argv[2], apiKey=sys.argv[3]), productId="NO", data={}
                )
            ),
        ],
    },
    sys.stdout,
)
