// The form of a certificate: UN/CEFACT's JSON Schema by ajv, and linked data by jsonld.js in its safe mode.
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import jsonld from 'jsonld';

const validators = new WeakMap();

/** What is wrong with a document under a schema, or null. */
export function schemaProblems(schema, document) {
  if(!validators.has(schema)) {
    const ajv = new Ajv2020({strict: false, allErrors: true});
    addFormats(ajv);
    validators.set(schema, ajv.compile(schema));
  }
  const validate = validators.get(schema);
  return validate(document) ? null :
    validate.errors.map(error => `${error.instancePath} ${error.message}`).slice(0, 5).join('; ');
}

const overridden = new WeakMap();

/** The same under UNTP's schema. W3C has `statusListIndex` as a text and UNTP as a number: the one override. */
export function untpProblems(schema, credential) {
  if(!overridden.has(schema)) {
    const ours = structuredClone(schema);
    const index = find(ours, 'statusListIndex');
    if(index?.type !== 'integer') {
      throw new Error('The schema has no whole number for statusListIndex: the override is not needed any more.');
    }
    delete index.minimum;
    Object.assign(index, {type: 'string', pattern: '^(0|[1-9][0-9]*)$'});
    overridden.set(schema, ours);
  }
  return schemaProblems(overridden.get(schema), credential);
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
