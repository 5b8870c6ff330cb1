/* Builds elements, and updates those of the page to equal new ones. Text stays text: nothing here parses markup. */

type Child = Node | string | false | null | undefined;

type Attributes = Readonly<Record<string, string | number | undefined>>;

const SVG_NAMES: ReadonlySet<string> = new Set(['svg', 'path', 'rect']);

/** Creates an element. Attributes that are undefined are left out. */
export const h = (name: string, attributes: Attributes = {}, ...children: readonly Child[]): Element => {
  const element = SVG_NAMES.has(name)
    ? document.createElementNS('http://www.w3.org/2000/svg', name)
    : document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(attribute, String(value));
  }
  element.append(...children.filter((child) => child !== false && child !== null && child !== undefined));
  return element;
};

const keyOf = (node: Node): string | undefined =>
  node instanceof Element ? (node.getAttribute('data-key') ?? node.nodeName) : node.nodeName;

/**
 * Changes an element and its content to equal another one. What stays the same keeps its nodes, with the focus and the place of a
 * screen reader. Siblings with a `data-key` keep their nodes also in another order.
 */
export const update = (current: Element, next: Element): void => {
  for (const { name } of [...current.attributes]) if (!next.hasAttribute(name)) current.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
  let place = current.firstChild;
  for (const wanted of [...next.childNodes]) {
    let found: Node | null = place;
    while (found && keyOf(found) !== keyOf(wanted)) found = found.nextSibling;
    if (!found) {
      current.insertBefore(wanted, place);
      continue;
    }
    if (found === place) place = found.nextSibling;
    else current.insertBefore(found, place);
    if (found instanceof Element && wanted instanceof Element) update(found, wanted);
    else if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue;
  }
  while (place) {
    const rest = place;
    place = place.nextSibling;
    rest.remove();
  }
};
