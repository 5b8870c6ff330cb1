import { type ESTree, parseSync, Visitor } from 'vite';

/** A reference from a file to another module. */
export type Import = {
  /** The specifier as written, or the source text of the expression if it is not a literal. */
  readonly name: string;
  /** Whether the specifier is computed, so that the module is unknown. */
  readonly isComputed: boolean;
};

const MODULE_FILE = /\.[cm]?[jt]sx?$/;

/**
 * Finds all module references of a file: imports and re-exports in all variants (side effects, types, dynamic,
 * `import type X = require()`), `import('…')` types, augmented modules, `require`, `require.resolve`, `import.meta.resolve`,
 * URLs relative to `import.meta.url`, and paths of script files from `import.meta.dirname`, which start workers. Throws if the
 * file cannot be parsed.
 */
export const importsOf = (file: string, code: string): Import[] => {
  const { program, errors } = parseSync(file, code);
  if (errors.length > 0) throw new Error(`${file}: ${errors.map(({ message }) => message).join(', ')}`);
  const imports: Import[] = [];

  const add = (node: ESTree.Node | null | undefined): void => {
    if (!node) return;
    const name = textOf(node);
    imports.push({ name: name ?? code.slice(node.start, node.end), isComputed: name === undefined });
  };

  new Visitor({
    ImportDeclaration: ({ source }) => add(source),
    ExportNamedDeclaration: ({ source }) => add(source),
    ExportAllDeclaration: ({ source }) => add(source),
    ImportExpression: ({ source }) => add(source),
    TSImportType: ({ source }) => add(source),
    TSExternalModuleReference: ({ expression }) => add(expression),
    TSModuleDeclaration: ({ id }) => {
      if (id.type === 'Literal') add(id);
    },
    NewExpression: ({ callee, arguments: [path, base] }) => {
      if (isNamed(callee, 'URL') && isMeta(base, 'url')) add(path);
    },
    CallExpression: ({ callee, arguments: [first, ...rest] }) => {
      if (isNamed(callee, 'require') || isMemberOf(callee, 'resolve', (object) => isNamed(object, 'require')))
        add(first);
      else if (isMeta(callee, 'resolve')) add(first);
      else if (isMeta(first, 'dirname')) {
        const parts = rest.map(textOf);
        const path = parts.join('/');
        if (parts.every((part) => part !== undefined) && MODULE_FILE.test(path)) {
          imports.push({ name: /^\.{0,2}\//.test(path) ? path : `./${path}`, isComputed: false });
        }
      }
    },
  }).visit(program);
  return imports;
};

const textOf = (node: ESTree.Node): string | undefined => {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node.type !== 'TemplateLiteral' || node.expressions.length > 0) return undefined;
  return node.quasis[0]?.value.cooked ?? undefined;
};

const isNamed = (node: ESTree.Node, name: string): boolean => node.type === 'Identifier' && node.name === name;

const isMemberOf = (node: ESTree.Node, name: string, isObject: (object: ESTree.Node) => boolean): boolean =>
  node.type === 'MemberExpression' && isNamed(node.property, name) && isObject(node.object);

/** Whether a node is `import.meta.<name>`. */
const isMeta = (node: ESTree.Node | undefined, name: string): boolean =>
  node !== undefined && isMemberOf(node, name, ({ type }) => type === 'MetaProperty');
