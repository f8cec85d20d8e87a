"""Saves the model as MLflow's own: python mlflow_save.py MODEL.joblib FOLDER"""

import sys

import joblib
import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris

model, rows = joblib.load(sys.argv[1]), load_iris(as_frame=True).data
mlflow.sklearn.save_model(model, sys.argv[2], signature=infer_signature(rows, model.predict(rows)))
