import { expect } from 'vitest';
import type { Sandbox } from '../../sandbox/server.ts';
import {
  OPENMAGE_PATH,
  OPENMAGE_SANDBOX_KEY,
  OPENMAGE_SANDBOX_USER,
} from '../../subgraphs/inventory/openmage/sandbox/index.ts';

const call = async (url: string, element: string, content: string): Promise<string> => {
  const response = await fetch(`${url}${OPENMAGE_PATH}`, {
    method: 'POST',
    headers: { 'content-type': 'text/xml' },
    body:
      '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:s="urn:OpenMage"><e:Body>' +
      `<s:${element}>${content}</s:${element}></e:Body></e:Envelope>`,
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return /<result>(.*)<\/result>/s.exec(text)?.[1] ?? '';
};

/** Changes quantities in a shop as its back office does, past Tributary. */
export const changeStock = async (
  { url }: Pick<Sandbox, 'url'>,
  quantities: Readonly<Record<string, number>>,
): Promise<void> => {
  const session = await call(
    url,
    'loginParam',
    `<username>${OPENMAGE_SANDBOX_USER}</username><apiKey>${OPENMAGE_SANDBOX_KEY}</apiKey>`,
  );
  const array = (name: string, values: readonly string[]) =>
    `<${name}>${values.map((value) => `<complexObjectArray>${value}</complexObjectArray>`).join('')}</${name}>`;
  await call(
    url,
    'catalogInventoryStockItemMultiUpdateRequestParam',
    `<sessionId>${session}</sessionId>` +
      array('productIds', Object.keys(quantities)) +
      array(
        'productData',
        Object.values(quantities).map((quantity) => `<qty>${quantity}</qty><is_in_stock>1</is_in_stock>`),
      ),
  );
};

/** The requests for stock that a shop has received, by their SKUs. */
export const stockRequests = ({ calls }: Pick<Sandbox, 'calls'>): (readonly string[])[] =>
  calls.filter(({ operation }) => operation === 'catalogInventoryStockItemList').map(({ keys }) => keys);
