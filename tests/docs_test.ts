/**
 * What every public symbol must say of itself, beyond `deno doc --lint`.
 *
 * - Everything: a first sentence; tags start their own line.
 * - Functions and methods: third person, every `@param`, `@returns` unless
 *   there is nothing to return. A method that says `See {@linkcode …}` has
 *   its documentation there.
 * - Functions and classes: an `@example` that imports the package by name.
 *   Error classes say when they occur and what becomes of the connection.
 * - Options that are numbers: their unit, and a `@default` or what being
 *   absent means.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { test } from "./_runtime.ts";

interface Doc {
  readonly doc?: string;
  readonly tags?: readonly {
    readonly kind: string;
    readonly name?: string;
    readonly doc?: string;
  }[];
}
interface Type {
  readonly repr?: string;
  readonly kind: string;
  readonly value?: unknown;
}
interface Parameter {
  readonly kind: string;
  readonly name?: string;
  readonly left?: Parameter;
  readonly arg?: Parameter;
}
interface Signature {
  readonly params?: readonly Parameter[];
  readonly returnType?: Type;
}
interface Member extends Signature {
  readonly name?: string;
  readonly kind?: string;
  readonly jsDoc?: Doc;
  readonly accessibility?: string;
  readonly optional?: boolean;
  readonly tsType?: Type;
  readonly functionDef?: Signature;
}
interface Definition extends Signature {
  readonly extends?: unknown;
  readonly constructors?: readonly Member[];
  readonly properties?: readonly Member[];
  readonly methods?: readonly Member[];
  readonly elements?: readonly PublicSymbol[];
}
interface Declaration {
  readonly kind: string;
  readonly declarationKind: string;
  readonly jsDoc?: Doc;
  readonly def?: Definition;
}
interface PublicSymbol {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}
interface Entry {
  readonly module_doc?: Doc;
  readonly symbols: readonly PublicSymbol[];
}

const UNITS =
  /millisecond|second|minute|byte|megabyte|connection|command|attempt|server|request|key|point|level|port|number of|flags|\b0 to\b/i;

for (const [entry, file] of Object.entries(config.exports)) {
  test(`${config.name}${entry.slice(1)} documents everything`, async () => {
    assertEquals(faultsOf(await readDoc(`../${file}`)), []);
  });
}

test("faultsOf() finds what is missing", async () => {
  const source = [
    "/** Broken */",
    "export function bad(a: number): number { return a; }",
    "/** Makes it. @returns It. */",
    "export function inline(): void {}",
    "/** Holds nothing. */",
    "export class Plain {",
    "  /** Return the sum. */",
    "  sum(): Promise<number> { return Promise.resolve(1); }",
    "}",
    "/** Fails. */",
    "export class PlainError extends Error {}",
    "/** Options. */",
    "export interface PlainOptions {",
    "  /** How long it takes. */",
    "  limit?: number;",
    "}",
  ].join("\n");
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, source);
  try {
    assertEquals(faultsOf(await readDoc(file)), [
      "the module: no documentation",
      "bad: no first sentence",
      "bad: not in the third person",
      "bad: no @param a",
      "bad: no @returns",
      "bad: no @example",
      "inline: a tag that does not start its line",
      "inline: no @example",
      "Plain: no @example",
      "Plain.sum: not in the third person",
      "Plain.sum: no @returns",
      'PlainError: does not say "- When:"',
      'PlainError: does not say "- Connection:"',
      "PlainOptions.limit: no unit",
      "PlainOptions.limit: no @default",
    ]);
  } finally {
    await Deno.remove(file);
  }
});

test("faultsOf() accepts what is complete", async () => {
  const source = [
    "/**",
    " * A module.",
    " *",
    " * @module",
    " */",
    "/**",
    " * Adds numbers.",
    " *",
    " * @example",
    " * ```ts",
    ` * import { add } from "${config.name}";`,
    " * ```",
    " *",
    " * @param a The first.",
    " * @param rest The others.",
    " * @returns The sum.",
    " */",
    "export function add(a: number, ...rest: number[]): number {",
    "  return a + rest.length;",
    "}",
    "/** Options. */",
    "export interface PlainOptions {",
    "  /**",
    "   * Milliseconds, from 0 on.",
    "   *",
    "   * @default {1}",
    "   */",
    "  limit?: number;",
    "}",
    "/** A set of commands. */",
    "export interface Commands {",
    "  /** Sums. See {@linkcode add}. */",
    "  add(a: number): number;",
    "  /** Sums as well. */",
    "  add(a: string): number;",
    "}",
  ].join("\n");
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, source);
  try {
    assertEquals(faultsOf(await readDoc(file)), []);
  } finally {
    await Deno.remove(file);
  }
});

async function readDoc(file: string): Promise<Entry> {
  const path = file.startsWith("..") ? `${import.meta.dirname}/${file}` : file;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", path],
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  return Object.values<Entry>(nodes)[0];
}

function faultsOf({ module_doc, symbols }: Entry): string[] {
  const faults = module_doc?.doc ? [] : ["the module: no documentation"];
  return faults.concat(symbols.flatMap(faultsOfSymbol));
}

function faultsOfSymbol({ name, declarations }: PublicSymbol): string[] {
  const [declaration] = declarations.filter(({ declarationKind }) =>
    declarationKind === "export"
  );
  if (declaration === undefined) return [];
  const { kind, jsDoc, def = {} } = declaration;
  const faults = faultsOfText(jsDoc);
  if (kind === "function") faults.push(...faultsOfCall(jsDoc, def));
  if (kind === "class" && name.endsWith("Error")) {
    for (const words of ["- When:", "- Connection:"]) {
      if (!jsDoc?.doc?.includes(words)) faults.push(`does not say "${words}"`);
    }
  } else if (kind === "class" || kind === "function") {
    const [example] = tagsOf(jsDoc, "example");
    if (example === undefined) faults.push("no @example");
    else if (!example.doc?.includes(`from "${config.name}`)) {
      faults.push(`an @example that does not import ${config.name}`);
    }
  }
  const members = [...def.properties ?? [], ...def.methods ?? []]
    .filter(({ accessibility }) =>
      accessibility === undefined || accessibility === "public"
    )
    // Of overloads the first one says what all of them do.
    .filter(({ name, kind }, i, all) =>
      kind !== "method" || all.findIndex((other) => other.name === name) === i
    )
    .flatMap((member) =>
      faultsOfMember(`${name}.${member.name}`, member, name.endsWith("Options"))
    );
  const inner = (def.elements ?? []).flatMap(faultsOfSymbol);
  return [...faults.map((fault) => `${name}: ${fault}`), ...members, ...inner];
}

function faultsOfMember(
  name: string,
  member: Member,
  isOption: boolean,
): string[] {
  const { kind, jsDoc, tsType, functionDef } = member;
  if (kind === "setter" || name.includes("[Symbol.")) return [];
  const faults = faultsOfText(jsDoc);
  const isMethod = kind === "method";
  if (isMethod && !/See \{@link/.test(jsDoc?.doc ?? "")) {
    faults.push(...faultsOfCall(jsDoc, functionDef ?? member));
  }
  if (isOption && !isMethod && holdsNumber(tsType)) {
    if (!UNITS.test(jsDoc?.doc ?? "")) faults.push("no unit");
    if (
      tagsOf(jsDoc, "default").length === 0 &&
      !/\babsent\b/i.test(jsDoc?.doc ?? "")
    ) {
      faults.push("no @default");
    }
  }
  return faults.map((fault) => `${name}: ${fault}`);
}

function faultsOfText(jsDoc: Doc | undefined): string[] {
  const text = jsDoc?.doc?.trim() ?? "";
  const faults: string[] = [];
  if (!/^\S[\s\S]*?[.:](?:\s|$)/.test(text)) faults.push("no first sentence");
  if (/@(?:default|example|param|returns|throws)\b/.test(text)) {
    faults.push("a tag that does not start its line");
  }
  return faults;
}

function faultsOfCall(
  jsDoc: Doc | undefined,
  { params = [], returnType }: Signature,
): string[] {
  const faults: string[] = [];
  if (!/^(?:\w+s|Called)\b/.test(jsDoc?.doc ?? "")) {
    faults.push("not in the third person");
  }
  const documented = tagsOf(jsDoc, "param").map(({ name }) => name);
  for (const param of params) {
    const { name } = param.left ?? param.arg ?? param;
    if (name !== undefined && !documented.includes(name)) {
      faults.push(`no @param ${name}`);
    }
  }
  const returnsNothing = returnType === undefined ||
    /^(?:void|Promise<void>|never)$/.test(textOf(returnType));
  const isInline = /@returns/.test(jsDoc?.doc ?? "");
  if (
    !returnsNothing && !isInline &&
    tagsOf(jsDoc, "returns", "return").length === 0
  ) {
    faults.push("no @returns");
  }
  return faults;
}

function tagsOf(
  jsDoc: Doc | undefined,
  ...kinds: string[]
): NonNullable<Doc["tags"]> {
  return (jsDoc?.tags ?? []).filter(({ kind }) => kinds.includes(kind));
}

function holdsNumber(type: Type | undefined): boolean {
  if (type?.kind === "union") return (type.value as Type[]).some(holdsNumber);
  return type?.kind === "keyword" && type.repr === "number";
}

function textOf({ repr, value }: Type): string {
  const { typeParams = [] } = (value ?? {}) as { typeParams?: Type[] };
  return typeParams.length === 0
    ? repr ?? ""
    : `${repr}<${typeParams.map(textOf).join()}>`;
}
