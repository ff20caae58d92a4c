// The import rule of the house (docs/house.md): every area of src knows only the areas before it,
// programs import src and never each other, and an area is entered by its index.ts alone; image
// and trust have a second, light face for data threads.
const areas = ['image', 'policy', 'trust', 'swarm', 'control', 'api', 'cli'];
const programs = ['seeder', 'tracker', 'fetcher'];

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'every-import-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'src-knows-no-program',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: `^(${programs.join('|')}|bench|test)/` },
    },
    {
      name: 'programs-import-no-program',
      severity: 'error',
      from: { path: `^(${programs.join('|')})/` },
      to: { path: `^(${programs.join('|')}|bench|test)/`, pathNot: '^$1/' },
    },
    ...areas.map((area) => ({
      name: `${area}-is-entered-by-its-face`,
      severity: 'error',
      from: { path: '^(src|seeder|tracker|fetcher|bench)/', pathNot: `^src/${area}/` },
      to: {
        path: `^src/${area}/`,
        pathNot: [
          `^src/${area}/index\\.ts$`,
          '^src/image/merkle\\.ts$',
          '^src/trust/sealed\\.ts$',
          '^src/cli/launch\\.js$',
        ],
      },
    })),
    ...areas.slice(0, -1).map((area, position) => ({
      name: `${area}-knows-only-what-is-before-it`,
      severity: 'error',
      from: { path: `^src/${area}/` },
      to: { path: `^src/(${areas.slice(position + 1).join('|')})/` },
    })),
    {
      name: 'policy-decides-and-does-nothing-else',
      comment: 'No I/O, no clock, no randomness of its own.',
      severity: 'error',
      from: { path: '^src/policy/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    {
      name: 'image-knows-no-network',
      severity: 'error',
      from: { path: '^src/image/' },
      to: { path: '^(node:)?(net|http|https|tls|dgram|http2)$' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|bench/demo/application)/' },
  },
};
