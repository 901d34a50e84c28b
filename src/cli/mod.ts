/**
 * The command line program `memcache`: one-shot commands, a prompt, a live view
 * of servers, backups of their items, and a load generator.
 *
 * It is the only part that reads the environment (`MEMCACHED_URL`), and it needs
 * packages; the client needs none. Importing it runs nothing.
 *
 * @example
 * ```ts
 * import { main } from "@x/memcache/cli";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const options = ["--server", server.address];
 * console.log(await main([...options, "set", "greeting", "hello"])); // 0
 * console.log(await main([...options, "get", "greeting"])); // prints hello, 0
 * console.log(await main([...options, "get", "absent"])); // 1
 * await server.close();
 * ```
 *
 * @module
 */

import process from "node:process";

/**
 * Runs the program with arguments as from a command line, on the standard
 * streams of this process.
 *
 * What fails is told on standard error; nothing is thrown. The process is not
 * ended: that is up to the caller.
 *
 * @example
 * ```ts
 * import { main } from "@x/memcache/cli";
 *
 * console.log(await main(["--help"])); // prints the help, 0
 * ```
 *
 * @param args The arguments without the program's name; those of this process
 * if absent.
 * @returns The exit code: 0; 1 on a miss, or where nothing was stored; 2 for
 * arguments that cannot be used; 3 for failures of servers or the network; 130
 * after an interrupt.
 */
export async function main(
  args: readonly string[] = process.argv.slice(2),
): Promise<number> {
  // Packages that read the environment are loaded when the program runs.
  try {
    const { runProgram } = await import("./program.ts");
    return await runProgram(args);
  } catch (error) {
    // Deno without --allow-env, mostly: packages are not there, or may not run.
    const { message } = error instanceof Error ? error : new Error(`${error}`);
    process.stderr.write(`memcache: Cannot start: ${message}\n`);
    return 2;
  }
}

if (import.meta.main) process.exitCode = await main();
