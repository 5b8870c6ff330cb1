/**
 * Generates functions from source text.
 *
 * A function generated for one operation contains the field names as constants, which V8 compiles to loads at existing offsets.
 * Interpreting the same operation is several times slower (`docs/execution.md`).
 *
 * The text contains only GraphQL names, always quoted by `JSON.stringify`, and source text written in this folder. All other
 * values are passed in with `constant`.
 */
export type Code = {
  /** Binds a runtime value to a variable and returns the variable's name. */
  readonly constant: (value: unknown) => string;
  /** Returns a name that is unique in the text. */
  readonly name: (prefix: string) => string;
  /** Adds a statement or a declaration. */
  readonly add: (...lines: string[]) => void;
  /** Compiles the text to a function that returns `expression`. The name appears in profiles and stack traces. */
  readonly toFunction: <F>(name: string, parameters: readonly string[], expression: string) => F;
};

export const createCode = (): Code => {
  const lines: string[] = [];
  const constants = new Map<unknown, string>();
  let names = 0;
  const name = (prefix: string): string => `${prefix}${names++}`;
  return {
    name,
    constant: (value) => {
      const existing = constants.get(value);
      if (existing) return existing;
      const added = name('c');
      constants.set(value, added);
      return added;
    },
    add: (...more) => void lines.push(...more),
    toFunction: (name, parameters, expression) => {
      const body = [...lines, `return ${expression};`].join('\n');
      const text = `"use strict"; return function ${name}(${parameters.join(', ')}) {\n${body}\n};`;
      return new Function(...constants.values(), text)(...constants.keys());
    },
  };
};

/** Returns whether every object inherits a property of this name. GraphQL allows such names for fields and aliases. */
export const isInherited = (name: string): boolean => name in Object.prototype;

/** Writes the expression that reads an own property. Undefined if the object has none. */
export const read = (object: string, name: string): string => {
  const key = JSON.stringify(name);
  return isInherited(name) ? `(Object.hasOwn(${object}, ${key}) ? ${object}[${key}] : undefined)` : `${object}[${key}]`;
};

/** Writes a property of an object literal. A plain `"__proto__": v` would set the prototype. */
export const property = (name: string, value: string): string =>
  name === '__proto__' ? `["__proto__"]: ${value}` : `${JSON.stringify(name)}: ${value}`;
