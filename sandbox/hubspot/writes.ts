import { z } from 'zod';
import type { SandboxAnswer } from '../server.ts';
import { HubSpotError, json, validationError } from './errors.ts';
import { type Context, parse, show } from './records.ts';
import { type CrmObject, closed, type ObjectType } from './state.ts';

// What may be asked and set; the provider refuses to set what it does not know.
const WRITABLE: Readonly<Record<ObjectType, readonly string[]>> = {
  contacts: ['email', 'firstname', 'lastname', 'phone', 'lifecyclestage'],
  companies: ['name', 'domain'],
  deals: ['dealname', 'dealstage', 'amount', 'closedate', 'deal_currency_code', 'pipeline'],
  line_items: ['name', 'hs_sku', 'quantity', 'price'],
};

const Properties = z.record(z.string(), z.union([z.string(), z.null()]));

const checkProperties = (type: ObjectType, properties: z.output<typeof Properties>): void => {
  const unknown = Object.keys(properties).find((name) => !WRITABLE[type].includes(name));
  if (unknown) throw validationError(`Property "${unknown}" does not exist`);
  const { email, amount } = properties;
  if (email && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) throw validationError(`Email address ${email} is invalid`);
  if (amount && !/^-?\d+(\.\d+)?$/.test(amount)) throw validationError(`${amount} was not a valid number.`);
};

const Create = z.strictObject({
  properties: Properties,
  associations: z
    .array(
      z.strictObject({
        to: z.strictObject({ id: z.string() }),
        types: z.array(
          z.strictObject({ associationCategory: z.literal('HUBSPOT_DEFINED'), associationTypeId: z.number() }),
        ),
      }),
    )
    .default([]),
});

/** `POST /crm/v3/objects/{type}` */
export const createObject = (type: ObjectType, body: string, { state, now }: Context): SandboxAnswer => {
  const { properties, associations } = parse(Create, body);
  checkProperties(type, properties);
  const all = state.objects[type];
  const email = properties['email']?.toLowerCase();
  const existing = email && [...all.values()].find((one) => one.properties['email'] === email);
  if (existing) throw new HubSpotError(409, 'CONFLICT', `Contact already exists. Existing ID: ${existing.id}`);
  for (const { to } of associations) {
    if (!state.objects.companies.has(to.id)) throw validationError(`No company with id ${to.id}`);
  }
  const id = String(Math.max(...[...all.keys()].map(Number)) + 1);
  const at = new Date(now()).toISOString();
  const created: CrmObject = {
    id,
    createdAt: at,
    updatedAt: at,
    properties: { ...properties, ...(email && { email }), hs_object_id: id, createdate: at, hs_lastmodifieddate: at },
  };
  all.set(id, created);
  for (const { to } of associations) state.link(type, id, 'companies', to.id);
  return json(201, show(created, Object.keys(properties)));
};

/** `PATCH /crm/v3/objects/{type}/{id}` */
export const updateObject = (type: ObjectType, id: string, body: string, { state, now }: Context): SandboxAnswer => {
  const { properties } = parse(z.strictObject({ properties: Properties }), body);
  const found = state.objects[type].get(id);
  if (!found) throw new HubSpotError(404, 'OBJECT_NOT_FOUND', 'resource not found');
  checkProperties(type, properties);
  const email = properties['email']?.toLowerCase();
  const other = email && [...state.objects[type].values()].find((one) => one.properties['email'] === email);
  if (other && other.id !== id)
    throw new HubSpotError(409, 'CONFLICT', `Contact already exists. Existing ID: ${other.id}`);
  const stage = properties['dealstage'];
  found.updatedAt = new Date(now()).toISOString();
  Object.assign(found.properties, properties, email && { email }, stage && closed(stage), {
    hs_lastmodifieddate: found.updatedAt,
  });
  return json(200, show(found, Object.keys(properties)));
};
