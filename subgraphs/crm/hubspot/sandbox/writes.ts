import { z } from 'zod';
import type { SandboxRequest, SandboxResponse } from '../../../../sandbox/server.ts';
import type { Context } from './context.ts';
import { type BatchError, batchError, batchResponse, HubSpotError, json, notFound, validationError } from './errors.ts';
import { MAX_BATCH } from './reads.ts';
import { findBy, parse, show } from './records.ts';
import { type CrmObject, closed, type ObjectType, TYPE_IDS } from './state.ts';

// The writable properties. HubSpot rejects writes of unknown ones.
const WRITABLE: Readonly<Record<ObjectType, readonly string[]>> = {
  contacts: ['email', 'firstname', 'lastname', 'phone', 'lifecyclestage'],
  companies: ['name', 'domain'],
  deals: ['dealname', 'dealstage', 'amount', 'closedate', 'deal_currency_code', 'pipeline'],
  line_items: ['name', 'hs_sku', 'quantity', 'price'],
};

// The defaults of a new account: https://knowledge.hubspot.com/object-settings/set-up-and-customize-pipelines and
// https://knowledge.hubspot.com/records/use-lifecycle-stages
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  dealstage: [
    'appointmentscheduled',
    'qualifiedtobuy',
    'presentationscheduled',
    'decisionmakerboughtin',
    'contractsent',
    'closedwon',
    'closedlost',
  ],
  pipeline: ['default'],
  lifecyclestage: [
    'subscriber',
    'lead',
    'marketingqualifiedlead',
    'salesqualifiedlead',
    'opportunity',
    'customer',
    'evangelist',
    'other',
  ],
};

const Properties = z.record(z.string(), z.union([z.string(), z.null()]));

const checkProperties = (type: ObjectType, properties: z.output<typeof Properties>): void => {
  const unknown = Object.keys(properties).find((name) => !WRITABLE[type].includes(name));
  if (unknown) throw validationError(`Property "${unknown}" does not exist`);
  for (const [name, options] of Object.entries(OPTIONS)) {
    const value = properties[name];
    if (value && !options.includes(value)) {
      throw validationError(`${value} was not one of the allowed options: [${options.join(', ')}]`);
    }
  }
  const { email, amount, closedate } = properties;
  if (closedate && !/^\d+$/.test(closedate) && Number.isNaN(Date.parse(closedate))) {
    throw validationError(`${closedate} was not a valid long.`);
  }
  if (email && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) throw validationError(`Email address ${email} is invalid`);
  if (amount && !/^-?\d+(\.\d+)?$/.test(amount)) throw validationError(`${amount} was not a valid number.`);
};

const Create = z.strictObject({
  properties: Properties,
  associations: z
    .array(
      z.strictObject({
        to: z.strictObject({ id: z.union([z.string(), z.number()]).transform(String) }),
        types: z.array(
          z.strictObject({ associationCategory: z.literal('HUBSPOT_DEFINED'), associationTypeId: z.number() }),
        ),
      }),
    )
    .default([]),
});

type Create = z.output<typeof Create>;

const contactExists = ({ id }: CrmObject): HubSpotError =>
  new HubSpotError(409, 'CONFLICT', `Contact already exists. Existing ID: ${id}`);

/** Resolves the associations of a new record. The association type id determines the object type of the other record. */
const resolveAssociations = (type: ObjectType, { associations }: Create, { state }: Context) =>
  associations.flatMap(({ to, types }) =>
    types.map(({ associationTypeId }) => {
      const target = (Object.keys(state.objects) as ObjectType[]).find((name) =>
        TYPE_IDS[`${type}>${name}`]?.includes(associationTypeId),
      );
      if (!target) throw validationError(`No association type ${associationTypeId} from ${type}`);
      if (!state.objects[target].has(to.id)) throw validationError(`No ${target} with id ${to.id}`);
      return { target, id: to.id, isPrimary: TYPE_IDS[`${type}>${target}`]?.[0] === associationTypeId };
    }),
  );

/** Creates a record. Validates first: if it throws, nothing has changed. */
const create = (type: ObjectType, input: Create, context: Context): CrmObject => {
  const { state, now } = context;
  const { properties } = input;
  checkProperties(type, properties);
  const all = state.objects[type];
  const email = properties['email']?.toLowerCase();
  const existing = email && [...all.values()].find((one) => one.properties['email'] === email);
  if (existing) throw contactExists(existing);
  const newAssociations = resolveAssociations(type, input, context);
  const id = state.newId(type);
  const at = new Date(now()).toISOString();
  const stage = properties['dealstage'];
  const created: CrmObject = {
    id,
    createdAt: at,
    updatedAt: at,
    properties: {
      ...properties,
      ...(email && { email }),
      ...(stage && closed(stage)),
      hs_object_id: id,
      createdate: at,
      hs_lastmodifieddate: at,
    },
  };
  state.add(type, created);
  for (const { target, id: toId, isPrimary } of newAssociations) state.associate(type, id, target, toId, isPrimary);
  return created;
};

/** `POST /crm/objects/{version}/{type}` */
export const createObject = (type: ObjectType, body: string, context: Context): SandboxResponse => {
  const input = parse(Create, body);
  return json(201, show(create(type, input, context), { properties: Object.keys(input.properties) }));
};

const BatchCreate = z.strictObject({
  inputs: z
    .array(Create.extend({ objectWriteTraceId: z.string().optional() }))
    .min(1)
    .max(MAX_BATCH),
});

/**
 * `POST /crm/objects/{version}/{type}/batch/create`. If each input has an `objectWriteTraceId`, the valid ones are created
 * and the response is 207; otherwise one invalid input rejects the whole batch.
 */
export const batchCreate = (type: ObjectType, body: string, context: Context): SandboxResponse => {
  const { inputs } = parse(BatchCreate, body);
  const isMultiStatus = inputs.every(({ objectWriteTraceId }) => objectWriteTraceId !== undefined);
  const errors: BatchError[] = [];
  const created: { record: CrmObject; input: (typeof inputs)[number] }[] = [];
  for (const input of inputs) {
    try {
      created.push({ record: create(type, input, context), input });
    } catch (error) {
      if (isMultiStatus && error instanceof HubSpotError) {
        const { category, message } = error;
        errors.push(batchError(category, message, { objectWriteTraceId: [input.objectWriteTraceId ?? ''] }));
        continue;
      }
      for (const { record } of created) context.state.remove(type, record.id);
      throw error;
    }
  }
  const results = created.map(({ record, input: { properties, objectWriteTraceId } }) => ({
    ...show(record, { properties: Object.keys(properties) }),
    ...(objectWriteTraceId !== undefined && { objectWriteTraceId }),
  }));
  return batchResponse(201, context.now, results, errors);
};

/** `PATCH /crm/objects/{version}/{type}/{id}` */
export const updateObject = (
  type: ObjectType,
  id: string,
  { body, query }: SandboxRequest,
  { state, now }: Context,
): SandboxResponse => {
  const { properties } = parse(z.strictObject({ properties: Properties }), body);
  const found = findBy(state.objects[type], id, query.get('idProperty'));
  if (!found) throw notFound();
  checkProperties(type, properties);
  const email = properties['email']?.toLowerCase();
  const other = email && [...state.objects[type].values()].find((one) => one.properties['email'] === email);
  if (other && other !== found) throw contactExists(other);
  const stage = properties['dealstage'];
  found.updatedAt = new Date(now()).toISOString();
  const changed = { ...properties, ...(email && { email }), ...(stage && closed(stage)) };
  const differing = Object.entries(changed).filter(([name, value]) => found.properties[name] !== value);
  Object.assign(found.properties, changed, { hs_lastmodifieddate: found.updatedAt });
  state.reportProperties(type, found.id, Object.fromEntries(differing));
  return json(200, show(found, { properties: Object.keys(properties) }));
};

const NO_CONTENT: SandboxResponse = { status: 204, body: '' };

/** `DELETE /crm/objects/{version}/{type}/{id}` */
export const archiveObject = (
  type: ObjectType,
  id: string,
  _: SandboxRequest,
  { state, now }: Context,
): SandboxResponse => {
  state.archive(type, id, new Date(now()).toISOString());
  return NO_CONTENT;
};

const BatchArchive = z.strictObject({ inputs: z.array(z.strictObject({ id: z.string() })).max(MAX_BATCH) });

/** `POST /crm/objects/{version}/{type}/batch/archive` */
export const batchArchive = (type: ObjectType, body: string, { state, now }: Context): SandboxResponse => {
  for (const { id } of parse(BatchArchive, body).inputs) state.archive(type, id, new Date(now()).toISOString());
  return NO_CONTENT;
};
