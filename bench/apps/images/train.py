"""Trains the model that every image holds: python train.py MODEL.joblib"""

import sys

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

data = load_iris(as_frame=True)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
joblib.dump(model.fit(data.data, data.target_names[data.target]), sys.argv[1])
