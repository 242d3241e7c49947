import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'

/**
 * The layers of the project, lowest first. A file may import from its own layer's folder and from the layers listed for it,
 * and from nothing else in the tree: the folder tree is the architecture, and this is what keeps it so.
 */
const LAYERS = {
  protocol: [],
  'src/errors.ts': ['protocol'],
  'src/observability': ['protocol', 'src/errors.ts'],
  'src/net': ['protocol', 'src/errors.ts', 'src/observability'],
  'src/config': ['protocol', 'src/errors.ts', 'src/net'],
  'src/client': ['protocol', 'src/errors.ts', 'src/observability', 'src/net'],
  'src/kraft': ['protocol', 'src/errors.ts', 'src/observability', 'src/net', 'src/client'],
  'src/embedded': ['protocol', 'src/errors.ts', 'src/observability', 'src/net'],
  'src/state': ['protocol', 'src/errors.ts', 'src/observability', 'src/config', 'src/net', 'src/client'],
  'src/replication': ['protocol', 'src/errors.ts', 'src/observability', 'src/config', 'src/net', 'src/client', 'src/kraft', 'src/state'],
  'src/proxy': ['protocol', 'src/errors.ts', 'src/observability', 'src/config', 'src/net', 'src/client', 'src/state'],
  'src/admin': ['protocol', 'src/errors.ts', 'src/observability', 'src/config', 'src/net', 'src/client', 'src/kraft', 'src/state', 'src/replication', 'src/proxy']
}

const ALL = [...Object.keys(LAYERS), 'src/cli']

/** Forbids imports of every folder of the tree that is not allowed to `layer`. */
function layerRule (layer) {
  const forbidden = ALL.filter(other => other !== layer && !LAYERS[layer].includes(other))
  return {
    files: [layer.endsWith('.ts') ? layer : `${layer}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', {
        patterns: [
          ...forbidden.map(other => ({
            // A relative path that ends up in the other layer, however many folders it climbs.
            regex: `^(\\.\\./)+(src/)?${other.replace(/^src\//, '').replace('.', '\\.')}(/|$)`,
            message: `${layer} must not depend on ${other} (see eslint.config.js)`
          })),
          { regex: '^(\\.\\./)+(test|bench|scripts)/', message: 'the product does not depend on its tests' },
          ...(layer === 'protocol'
            ? [{ regex: '^(node:(net|tls|fs|dns|timers|http|https|child_process|worker_threads)|pino)', message: 'protocol does no I/O' }]
            : [])
        ]
      }]
    }
  }
}

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '.tap/**', '.cache/**'] },
  ...neostandard({ ts: true }),
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allow: [{ name: ['bigint'], from: 'lib' }] }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      'no-restricted-syntax': ['error', { selector: 'ExportDefaultDeclaration', message: 'no default exports' }],
      'max-lines': ['error', { max: 450, skipBlankLines: true, skipComments: true }]
    }
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      // A test function is async whether it waits for anything or not: that is how tap knows its end.
      '@typescript-eslint/require-await': 'off',
      // tap itself awaits what its tests return.
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: 'tap', name: ['test'] }] }]
    }
  },
  ...Object.keys(LAYERS).map(layerRule)
)
