# %% [markdown]
# # A title

# %% nbmake={"mock": {"N": 1}}
N = 2

# %% tags=["kept"]
print("N is", N)
print("and a second line")

# %%
N * 21
