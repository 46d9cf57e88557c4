/**
 * What a compiler does not see and a reviewer should not have to. Formatting is prettier's, and who
 * may import whom is test/rules'. Rules that need types are few, as they take most of the time.
 */
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Code that both threads or the shards run: it says what it has to say through the log. */
const SILENT = ['shared/**', 'workers/**', 'src/edge/**', 'src/protocol/**', 'src/transport/**'];

/** What Node gives plain JavaScript without an import, as far as it is used here. */
const NODE_GLOBALS = ['AbortController', 'Buffer', 'URL', 'console', 'fetch', 'performance', 'process', 'setImmediate', 'setInterval', 'setTimeout', 'clearInterval', 'clearTimeout', 'structuredClone']; // prettier-ignore

export default defineConfig(
  {
    ignores: ['dist/', 'shared/kernel/assembly/**', 'node_modules/', 'coverage/', 'perf/results/'],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },
  {
    files: ['**/*.{js,mjs}'],
    extends: [tseslint.configs.base],
    languageOptions: {
      globals: Object.fromEntries(NODE_GLOBALS.map((name) => [name, 'readonly'])),
    },
    rules: {
      'no-undef': 'error',
      'no-unused-vars': ['error', { args: 'none' }],
      'prefer-const': 'error',
      eqeqeq: 'error',
      'no-var': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-self-compare': 'error',
      'no-unreachable-loop': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/ban-ts-comment': 'error',
    },
  },
  {
    files: ['shared/**/*.ts', 'src/**/*.ts', 'workers/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
    },
  },
  { files: SILENT.map((room) => `${room}/*.ts`), rules: { 'no-console': 'error' } },
);
