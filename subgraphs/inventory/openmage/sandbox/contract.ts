/** The part of the shop's SOAP contract that the sandbox implements: element names, types and cardinalities. */

export const NAMESPACE = 'urn:OpenMage';

/** The types of fields by name. `?` marks an optional field, `[]` a repeated one; `tns:` is the shop's namespace. */
export type Fields = Readonly<Record<string, string>>;

export type Operation = { readonly request: string; readonly input: Fields; readonly output: string };

export const TYPES: Readonly<Record<string, Fields>> = {
  ArrayOfString: { complexObjectArray: 'xsd:string[]' },
  associativeEntity: { key: 'xsd:string', value: 'xsd:string' },
  associativeArray: { complexObjectArray: 'tns:associativeEntity[]' },
  complexFilter: { key: 'xsd:string', value: 'tns:associativeEntity' },
  complexFilterArray: { complexObjectArray: 'tns:complexFilter[]' },
  filters: { filter: 'tns:associativeArray?', complex_filter: 'tns:complexFilterArray?' },
  catalogProductEntity: {
    product_id: 'xsd:string',
    sku: 'xsd:string',
    name: 'xsd:string',
    set: 'xsd:string',
    type: 'xsd:string',
    category_ids: 'tns:ArrayOfString',
    website_ids: 'tns:ArrayOfString',
  },
  catalogProductEntityArray: { complexObjectArray: 'tns:catalogProductEntity[]' },
  catalogInventoryStockItemEntity: {
    product_id: 'xsd:string?',
    sku: 'xsd:string?',
    qty: 'xsd:string?',
    is_in_stock: 'xsd:string?',
  },
  catalogInventoryStockItemEntityArray: { complexObjectArray: 'tns:catalogInventoryStockItemEntity[]' },
  catalogInventoryStockItemUpdateEntity: {
    qty: 'xsd:string?',
    is_in_stock: 'xsd:int?',
    manage_stock: 'xsd:int?',
    use_config_manage_stock: 'xsd:int?',
    min_qty: 'xsd:int?',
    use_config_min_qty: 'xsd:int?',
    min_sale_qty: 'xsd:int?',
    use_config_min_sale_qty: 'xsd:int?',
    max_sale_qty: 'xsd:int?',
    use_config_max_sale_qty: 'xsd:int?',
    is_qty_decimal: 'xsd:int?',
    backorders: 'xsd:int?',
    use_config_backorders: 'xsd:int?',
    notify_stock_qty: 'xsd:int?',
    use_config_notify_stock_qty: 'xsd:int?',
  },
  catalogInventoryStockItemUpdateEntityArray: { complexObjectArray: 'tns:catalogInventoryStockItemUpdateEntity[]' },
};

/** The operations. `request` is the input element's name before `Param`; the output element is `<operation>ResponseParam`. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  login: { request: 'login', input: { username: 'xsd:string', apiKey: 'xsd:string' }, output: 'xsd:string' },
  endSession: { request: 'endSession', input: { sessionId: 'xsd:string' }, output: 'xsd:boolean' },
  call: {
    request: 'call',
    input: { sessionId: 'xsd:string', apiPath: 'xsd:string', args: 'xsd:anyType' },
    output: 'xsd:anyType',
  },
  multiCall: {
    request: 'multiCall',
    input: { sessionId: 'xsd:string', calls: 'xsd:anyType', options: 'xsd:anyType' },
    output: 'xsd:anyType',
  },
  catalogInventoryStockItemList: {
    request: 'catalogInventoryStockItemListRequest',
    input: { sessionId: 'xsd:string', productIds: 'tns:ArrayOfString' },
    output: 'tns:catalogInventoryStockItemEntityArray',
  },
  catalogInventoryStockItemUpdate: {
    request: 'catalogInventoryStockItemUpdateRequest',
    input: {
      sessionId: 'xsd:string',
      productId: 'xsd:string',
      data: 'tns:catalogInventoryStockItemUpdateEntity',
    },
    output: 'xsd:int',
  },
  catalogInventoryStockItemMultiUpdate: {
    request: 'catalogInventoryStockItemMultiUpdateRequest',
    input: {
      sessionId: 'xsd:string',
      productIds: 'tns:ArrayOfString',
      productData: 'tns:catalogInventoryStockItemUpdateEntityArray',
    },
    output: 'xsd:boolean',
  },
  catalogProductList: {
    request: 'catalogProductListRequest',
    input: { sessionId: 'xsd:string', filters: 'tns:filters?', store: 'xsd:string?' },
    output: 'tns:catalogProductEntityArray',
  },
};
