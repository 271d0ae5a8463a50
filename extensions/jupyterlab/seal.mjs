// Writes into the bundle what it was made of: a sha256 over its sources, which a test of the Python package computes again.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PARTS = ['package.json', 'package-lock.json', 'tsconfig.json', 'schema', 'src', 'style'];

function files(path) {
  return statSync(path).isDirectory() ? readdirSync(path).flatMap(name => files(join(path, name))) : [path];
}

const hash = createHash('sha256');
for (const path of PARTS.flatMap(files).map(path => path.replaceAll('\\', '/')).sort()) {
  const content = readFileSync(path);
  hash.update(`${path}\0${content.length}\0`).update(content);
}
// The builder's copy of package.json is of no use to anybody.
rmSync('../../nbops/labextension/schemas/nbops/package.json.orig', { force: true });
writeFileSync('../../nbops/labextension/sources.sha256', hash.digest('hex') + '\n');
