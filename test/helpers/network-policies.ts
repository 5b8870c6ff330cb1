import { BlockList } from 'node:net';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { INetworkPolicyPeer } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicyPeer';

/* Decides which connections network policies allow, as the API's documentation defines it. */

type Labels = Readonly<Record<string, string>>;

/** An end of a connection: a pod in the namespace of the policies or, with labels of its namespace, in another; or an address. */
export type End = {
  readonly labels?: Labels;
  readonly namespaceLabels?: Labels;
  readonly address?: string;
};

type Selector = NonNullable<INetworkPolicyPeer['podSelector']>;

/** Returns whether labels satisfy a selector. An empty selector is satisfied by all. */
export const isSelected = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator, values }) => {
    if (operator !== 'In') throw new Error(`Unsupported operator in a label selector: ${operator}. Use In.`);
    return values?.includes(labels[key] ?? '');
  });

const isInBlock = ({ cidr, except = [] }: NonNullable<INetworkPolicyPeer['ipBlock']>, address: string): boolean => {
  const contains = (network: string) => {
    const [base = '', prefix] = network.split('/');
    const family = base.includes(':') ? 'ipv6' : 'ipv4';
    const list = new BlockList();
    list.addSubnet(base, Number(prefix), family);
    return (address.includes(':') ? 'ipv6' : 'ipv4') === family && list.check(address, family);
  };
  return contains(cidr) && !except.some(contains);
};

const isPeer = ({ podSelector, namespaceSelector, ipBlock }: INetworkPolicyPeer, end: End): boolean => {
  if (ipBlock) return end.address !== undefined && isInBlock(ipBlock, end.address);
  if (!end.labels) return false;
  const isInNamespace = namespaceSelector
    ? isSelected(namespaceSelector, end.namespaceLabels ?? {})
    : end.namespaceLabels === undefined;
  return isInNamespace && (!podSelector || isSelected(podSelector, end.labels));
};

type Rule = {
  readonly peers: readonly INetworkPolicyPeer[] | undefined;
  readonly ports: readonly (number | string | undefined)[] | undefined;
};

const allows = (rules: readonly Rule[], other: End, port: number | string): boolean =>
  rules.some(
    ({ peers, ports }) =>
      (peers === undefined || peers.some((peer) => isPeer(peer, other))) &&
      (ports === undefined || ports.includes(port)),
  );

/** Returns whether `from` may connect to a port of `to`. Ports are compared as the policies write them: named for pods. */
export const mayConnect = (policies: readonly INetworkPolicy[], from: End, to: End, port: number | string): boolean => {
  const applying = (end: End, type: 'Ingress' | 'Egress') =>
    end.namespaceLabels || !end.labels
      ? []
      : policies.filter(
          ({ spec }) => spec?.policyTypes?.includes(type) && isSelected(spec.podSelector ?? {}, end.labels ?? {}),
        );
  const [out, into] = [applying(from, 'Egress'), applying(to, 'Ingress')];
  const outRules = out
    .flatMap(({ spec }) => spec?.egress ?? [])
    .map((rule) => ({
      peers: rule.to,
      ports: rule.ports?.map((one) => one.port),
    }));
  const intoRules = into
    .flatMap(({ spec }) => spec?.ingress ?? [])
    .map((rule) => ({
      peers: rule.from,
      ports: rule.ports?.map((one) => one.port),
    }));
  return (out.length === 0 || allows(outRules, to, port)) && (into.length === 0 || allows(intoRules, from, port));
};
