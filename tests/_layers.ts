/**
 * Who may import whom: what `layers_test.ts` enforces and ARCHITECTURE.md shows.
 *
 * @module
 */

/**
 * The parts of src and what each may import besides itself: whole parts, or
 * single files of a part. `mod.ts` is the part "mod".
 */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  types: [],
  hash: [],
  ring: ["errors", "types", "hash"],
  wire: ["errors", "types"],
  conn: ["errors", "types"],
  telemetry: ["errors", "types"],
  connection: ["errors", "types", "wire", "conn/conn.ts", "telemetry"],
  pool: ["errors", "types", "connection", "conn/conn.ts"],
  serde: ["errors", "types"],
  cache: ["errors", "types", "wire"],
  client: [
    ...["errors", "types", "hash", "wire", "conn", "connection", "pool"],
    ...["serde", "cache", "telemetry"],
  ],
  discovery: ["errors", "types", "conn", "client"],
  cluster: [
    ...["errors", "types", "ring", "client", "conn/address.ts", "discovery"],
    ...["telemetry"],
  ],
  retry: [
    ...["errors", "types", "client/commands.ts", "client/meta_commands.ts"],
    ...["client/server_commands.ts"],
  ],
  namespaced: ["types", "client/commands.ts"],
  around: ["types", "client/commands.ts", "client/meta_commands.ts"],
  fallback: [
    ...[
      "errors",
      "types",
      "cache/options.ts",
      "client/commands.ts",
    ],
    ...["client/item.ts", "namespaced", "around"],
  ],
  strict: [
    ...[
      "errors",
      "types",
      "cache/options.ts",
      "client/commands.ts",
    ],
    ...["client/item.ts", "namespaced", "around"],
  ],
  testing: ["errors", "types", "wire"],
  structured: ["errors", "types", "serde"],
  cli: ["mod", "testing", "telemetry"],
  adapters: [
    ...["errors", "types", "cache/options.ts", "client/commands.ts"],
    ...["client/key_encoders.ts", "wire/numbers.ts", "wire/ttl.ts"],
  ],
  otel: [
    ...["errors", "types", "telemetry", "client/metrics.ts"],
    ...["cli/version.ts"],
  ],
  mod: [
    ...["errors", "types", "wire", "conn", "connection", "pool", "serde"],
    ...[
      "client",
      "discovery",
      "cluster",
      "retry",
      "fallback",
      "strict",
      "around",
    ],
    ...["cache", "hash", "ring", "telemetry"],
  ],
};

/**
 * What parts may import from outside, besides `node:` modules: by the names in
 * deno.json. None of them may be in reach of `mod.ts`.
 */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  cli: ["cli-progress", "commander", "picocolors"],
  otel: ["@opentelemetry/api"],
  structured: ["devalue"],
};
