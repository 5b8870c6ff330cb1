import { useGraphiQL } from '@graphiql/react';
import { useEffect } from 'react';
import { changeDraft } from './estimate.ts';

/** Follows the editors, for the estimate. Displays nothing. */
export const EstimateSource = () => {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const headerEditor = useGraphiQL((state) => state.headerEditor);
  const operationName = useGraphiQL((state) => state.operationName);
  const schema = useGraphiQL((state) => (state.isIntrospecting ? undefined : (state.schema ?? null)));
  useEffect(() => {
    if (!queryEditor) return undefined;
    const read = () =>
      changeDraft(
        {
          query: queryEditor.getValue(),
          operationName,
          variables: variableEditor?.getValue() ?? '',
          headers: headerEditor?.getValue() ?? '',
        },
        schema,
      );
    read();
    const subscriptions = [queryEditor, variableEditor, headerEditor].flatMap(
      (editor) => editor?.onDidChangeModelContent(read) ?? [],
    );
    return () => {
      for (const subscription of subscriptions) subscription.dispose();
    };
  }, [queryEditor, variableEditor, headerEditor, operationName, schema]);
  return null;
};
