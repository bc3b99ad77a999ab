// Runs a test program that was built for WASI: node wasi.mjs PROGRAM [ARGUMENT...]

import { readFile } from 'node:fs/promises'
import { WASI } from 'node:wasi'

const [program, ...rest] = process.argv.slice(2)
const wasi = new WASI({
  version: 'preview1',
  args: [program, ...rest],
  env: process.env,
  preopens: { '/': '/' }, // the tests read the captures
})
const module = await WebAssembly.compile(await readFile(program))
const imports = wasi.getImportObject()
// Debian's C library has no threads; a test program asks for them, but does not use them.
imports.env = {}
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  if (from === 'env') imports.env[name] = () => { throw new Error(`${name}: there are no threads`) }
}
process.exitCode = wasi.start(await WebAssembly.instantiate(module, imports))
