/**
 * Makes functions out of text. A function made for one operation has the fields' names in it as constants, which V8
 * turns into loads at known offsets; the same thing interpreted is several times slower (`docs/execution.md`).
 *
 * Only two things become part of the text: GraphQL names, always quoted by `JSON.stringify`, and what this folder
 * writes. Everything else is handed over as a value by `constant`.
 */
export type Code = {
  /** A name in the text for a value of the surrounding program. */
  readonly constant: (value: unknown) => string;
  /** A name that nothing else in the text has. */
  readonly name: (prefix: string) => string;
  /** Adds a statement or a declaration. */
  readonly add: (...lines: string[]) => void;
  /**
   * Makes the function that runs the text and gives what `expression` is then. Its name is for who reads a profile or a
   * stack trace.
   */
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
      const known = constants.get(value);
      if (known) return known;
      const fresh = name('c');
      constants.set(value, fresh);
      return fresh;
    },
    add: (...more) => void lines.push(...more),
    toFunction: (name, parameters, expression) => {
      const body = [...lines, `return ${expression};`].join('\n');
      const text = `"use strict"; return function ${name}(${parameters.join(', ')}) {\n${body}\n};`;
      return new Function(...constants.values(), text)(...constants.keys());
    },
  };
};

/** Whether every object has this name already, by inheritance. GraphQL allows such names for fields and aliases. */
export const isInherited = (name: string): boolean => name in Object.prototype;

/** The text that reads a property: undefined where the object has none of its own. */
export const read = (object: string, name: string): string => {
  const key = JSON.stringify(name);
  return isInherited(name) ? `(Object.hasOwn(${object}, ${key}) ? ${object}[${key}] : undefined)` : `${object}[${key}]`;
};

/** The text of a property in an object literal, where `"__proto__": v` would set the prototype. */
export const property = (name: string, value: string): string =>
  name === '__proto__' ? `["__proto__"]: ${value}` : `${JSON.stringify(name)}: ${value}`;
