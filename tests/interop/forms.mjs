// The form of a certificate: UN/CEFACT's JSON Schema by ajv, and linked data by jsonld.js in its safe mode.
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import jsonld from 'jsonld';

const validators = new WeakMap();

/** What is wrong with a credential under UNTP's schema, or null. W3C has `statusListIndex` as a text; UNTP a number. */
export function untpProblems(schema, credential) {
  if(!validators.has(schema)) {
    const overridden = structuredClone(schema);
    const index = find(overridden, 'statusListIndex');
    if(index?.type !== 'integer') {
      throw new Error('The schema has no whole number for statusListIndex: the override is not needed any more.');
    }
    Object.assign(index, {type: 'string', pattern: '^(0|[1-9][0-9]*)$', minimum: undefined});
    delete index.minimum;
    const ajv = new Ajv2020({strict: false, allErrors: true});
    addFormats(ajv);
    validators.set(schema, ajv.compile(overridden));
  }
  const validate = validators.get(schema);
  return validate(credential) ? null :
    validate.errors.map(error => `${error.instancePath} ${error.message}`).slice(0, 5).join('; ');
}

function find(value, name) {
  if(typeof value !== 'object' || value === null) {
    return undefined;
  }
  return value[name]?.type ? value[name] : Object.values(value).map(each => find(each, name)).find(each => each);
}

/** What linked data would lose of a credential, or null: in safe mode the library falls over what it would drop. */
export async function safeModeProblems(credential, documentLoader) {
  try {
    const expanded = await jsonld.expand(credential, {documentLoader, safe: true});
    return expanded.length === 1 ? null : 'nothing is left of it';
  } catch(error) {
    return `${error.message} ${JSON.stringify(error.details?.event ?? error.details ?? {}).slice(0, 300)}`;
  }
}
