import { hasScope, type Identity, isAuthenticated } from '../../subgraphs/kit/identity.ts';
import type { AccessRule } from './access-rules.ts';
import { findSatisfied, type PolicyOptions, type PolicyRequest } from './policies.ts';

/** Returns those of some rules that a request does not satisfy, in the same order. Undefined if it may do everything. */
export type FindUnmetRules = (
  rules: readonly AccessRule[],
  request: PolicyRequest,
) => readonly AccessRule[] | Promise<readonly AccessRule[]> | undefined;

/** Creates the function that decides access rules. Without `policies`, no request satisfies a policy. */
export const createAuthorizer =
  (policies: PolicyOptions | undefined): FindUnmetRules =>
  (rules, request) => {
    const { identity } = request;
    if (identity.method === 'none') return undefined;
    const mentioned = new Set(rules.flatMap(({ kind, anyOf }) => (kind === 'policy' ? anyOf.flat() : [])));
    const unmetWith = (satisfied: ReadonlySet<string>) => rules.filter((rule) => !isMet(rule, identity, satisfied));
    if (mentioned.size === 0 || !policies) return unmetWith(new Set());
    return findSatisfied([...mentioned], request, policies).then(unmetWith);
  };

const isMet = ({ kind, anyOf }: AccessRule, identity: Identity, policies: ReadonlySet<string>): boolean => {
  if (kind === 'authenticated') return isAuthenticated(identity);
  const isHeld = kind === 'policy' ? (one: string) => policies.has(one) : (one: string) => hasScope(identity, one);
  return anyOf.some((all) => all.every(isHeld));
};
