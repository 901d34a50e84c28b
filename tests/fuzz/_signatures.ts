/**
 * Which commands a call sends, told from their texts.
 *
 * @module
 */
import type { Command } from "./_commands.ts";

/** What a command is recognized by: one text for each key that it reads. */
export function signaturesOf(command: Command): string[] {
  const { name, keys, args, data } = command;
  const meta = name === "mg" && args.includes("t") ? "meta get" : name;
  if (meta === "meta get" || name === "me") return [`${meta} ${keys[0]}`];
  const initial = name === "ma" && args.some((flag) => flag[0] === "J");
  if (initial) {
    // A counter that may be created: where there is no meta, incr and add.
    const delta = args.find((flag) => flag[0] === "D")?.slice(1);
    return [`${args.includes("MD") ? "decr" : "incr"} ${keys[0]} ${delta}`];
  }
  if (name === "md" || name === "ma") {
    const flags = args.slice(1).filter((flag) => !/^(?:O|b$)/.test(flag));
    return [[name, keys[0], ...flags].join(" ")];
  }
  if (name === "mg") {
    const cas = args.includes("c") ? "s" : "";
    const touch = args.some((flag, i) => i > 0 && flag[0] === "T");
    return [`${touch ? "gat" : "get"}${cas} ${keys[0]}`];
  }
  if (name.startsWith("g")) return keys.map((key) => `${name} ${key}`);
  if (data !== undefined) return [`${name} ${keys[0]} ${data}`];
  const rest = command.noreply ? args.slice(0, -1) : args;
  return [[name, ...rest].join(" ")];
}
