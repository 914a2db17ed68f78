// @ts-check
/**
 * Swagger UI, in the colours of the system, and without "Try it out" for streams, which have no end.
 */

/** @typedef {{ getIn(path: string[]): unknown }} State */
/** @typedef {(state: State, path: string, method: string) => boolean} AllowTryItOut */

const { SwaggerUIBundle } = /** @type {Window & { SwaggerUIBundle: (options: object) => void }} */ (
  /** @type {unknown} */ (window)
);

const dark = matchMedia('(prefers-color-scheme: dark)');
const followSystem = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followSystem);
followSystem();

const noTryItOutForStreams = {
  statePlugins: {
    spec: {
      wrapSelectors: {
        allowTryItOutFor:
          (/** @type {AllowTryItOut} */ allow) =>
          (/** @type {State} */ state, /** @type {string} */ path, /** @type {string} */ method) =>
            !state.getIn(['json', 'paths', path, method, 'x-stream']) && allow(state, path, method),
      },
    },
  },
};

SwaggerUIBundle({
  url: '/swagger/json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  plugins: [noTryItOutForStreams],
  // Its badge would ask another host.
  validatorUrl: null,
});
