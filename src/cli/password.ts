/**
 * Asks for a password, without showing it.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";

/**
 * Asks on standard error and reads a line of the terminal that is not shown.
 *
 * @returns What was typed; `undefined` after Ctrl-C or Ctrl-D.
 */
export async function askPassword(
  question: string,
): Promise<string | undefined> {
  // The line editor shows what is typed here: to nobody.
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => done(),
  });
  const lines = createInterface({
    input: process.stdin,
    output: nowhere,
    terminal: true,
    historySize: 0,
  });
  // Not before the terminal has ceased to show what is typed.
  process.stderr.write(question);
  try {
    return await new Promise<string | undefined>((resolve) => {
      lines.once("line", resolve);
      lines.once("close", () => resolve(undefined));
      lines.once("SIGINT", () => resolve(undefined));
    });
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}
